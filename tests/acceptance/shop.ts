import { eventually } from '../harness/index.ts';

export interface Result {
  readonly job: number;
  readonly answer: string;
  /** Host name of the worker that did it. */
  readonly worker: string;
}

/** The stack's web site as its customers see it. */
export interface Shop {
  page(path: string): Promise<string>;
  /** Hands in a job; its number. */
  submit(text: string): Promise<number>;
  results(): Promise<readonly Result[]>;
  /** Waits until jobs are done; what became of them. */
  done(jobs: readonly number[]): Promise<readonly Result[]>;
}

/** `address` is `127.0.0.1:8080`. */
export function shopAt(address: string): Shop {
  const ask = async (path: string, options: RequestInit = {}): Promise<string> => {
    const answer = await fetch(`http://${address}${path}`, {
      ...options,
      signal: AbortSignal.timeout(10_000),
      headers: { connection: 'close' },
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return text;
  };
  const results = async (): Promise<readonly Result[]> => JSON.parse(await ask('/results')) as readonly Result[];
  return {
    page: (path) => ask(path),
    async submit(text) {
      return (JSON.parse(await ask('/jobs', { method: 'POST', body: text })) as { readonly job: number }).job;
    },
    results,
    done: (jobs) =>
      eventually(
        `jobs ${jobs.join(', ')} are done`,
        async () => {
          const found = (await results()).filter(({ job }) => jobs.includes(job));
          return found.length === jobs.length && found;
        },
        30_000,
      ),
  };
}
