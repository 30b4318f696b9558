import { type CallOptions, invalid, isKind, messageOf } from '@berth/base';
import { type Dockerfile, parseSingleInstruction, type Stage } from '@berth/dockerfile';
import { hostPlatform, type ImageRunConfig, type Platform, parsePlatform } from '@berth/oci';
import { type Vertex, vertex } from '../graph/vertex.ts';
import { dispatch } from './dispatch.ts';
import type { BaseImage, FrontendHost } from './frontend-host.ts';
import { withDefaultPath } from './image-config.ts';
import { located } from './located.ts';
import type { BuildPlan, PlanStep } from './plan.ts';
import { isPredefined, platformArgs, quietArgs, Scope } from './scope.ts';
import { DEFAULT_SHELL, type StageDraft } from './stage.ts';

export interface CompileInput extends CallOptions {
  readonly host: FrontendHost;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Stage to build, by name or number; default the last. */
  readonly target?: string;
  readonly platform?: Platform;
}

/**
 * Turns a Dockerfile into a graph. Only the stages the target needs are looked at; configuration is worked out here,
 * so that vertices are left for file system work alone.
 *
 * Errors: `invalid` with the Dockerfile's place, and those of resolving images.
 */
export async function compileDockerfile(dockerfile: Dockerfile, input: CompileInput): Promise<BuildPlan> {
  return await new Compiler(dockerfile, input).compile();
}

class Compiler {
  readonly #dockerfile: Dockerfile;
  readonly #input: CompileInput;
  readonly #used = new Set<string>();
  readonly #globals: Scope;
  readonly #platformArgs: Readonly<Record<string, string>>;
  readonly #drafts = new Map<number, Promise<StageDraft>>();
  readonly #platform: Platform;

  constructor(dockerfile: Dockerfile, input: CompileInput) {
    this.#dockerfile = dockerfile;
    this.#input = input;
    this.#platform = input.platform ?? hostPlatform();
    this.#platformArgs = platformArgs(this.#platform, hostPlatform());
    this.#globals = new Scope({
      escape: dockerfile.escape,
      given: input.buildArgs,
      used: this.#used,
      inherited: (name) => this.#platformArgs[name],
    });
  }

  async compile(): Promise<BuildPlan> {
    const globalSteps = this.#dockerfile.globalArgs.map((instruction): PlanStep => {
      this.#globals.declare(instruction);
      return { text: instruction.original, source: instruction.range, stage: -1, config: {}, createdBy: '' };
    });
    const target = await this.#draft(this.#targetStage());
    const needed = await Promise.all([...this.#drafts].sort(([a], [b]) => a - b).map(([, draft]) => draft));
    const config: ImageRunConfig =
      Object.keys(this.#input.labels).length === 0
        ? target.config
        : { ...target.config, Labels: { ...target.config.Labels, ...this.#input.labels } };
    return {
      steps: [...globalSteps, ...needed.flatMap((draft) => draft.steps)],
      root: target.root,
      config,
      platform: target.platform,
      base: target.base,
      history: target.history,
      warnings: this.#warnings(),
      author: target.author,
    };
  }

  #targetStage(): Stage {
    const { stages } = this.#dockerfile;
    const { target } = this.#input;
    const last = stages.at(-1);
    if (!last) throw invalid('No build stage in current context');
    if (target === undefined || target === '') return last;
    const found =
      stages.find((stage) => stage.name === target.toLowerCase()) ??
      (/^\d{1,6}$/.test(target) ? stages[Number(target)] : undefined);
    if (!found) throw invalid(`failed to reach build target ${target} in Dockerfile`);
    return found;
  }

  #draft(stage: Stage): Promise<StageDraft> {
    const known = this.#drafts.get(stage.index);
    if (known) return known;
    const made = this.#makeDraft(stage);
    this.#drafts.set(stage.index, made);
    return made;
  }

  async #makeDraft(stage: Stage): Promise<StageDraft> {
    const draft = await this.#start(stage);
    const triggers = draft.config.OnBuild ?? [];
    if (triggers.length > 0) {
      delete draft.config.OnBuild;
      const from = draft.steps[0];
      if (from) draft.steps[0] = { ...from, triggers: triggers.length };
    }
    const find = (name: string): Promise<Vertex | undefined> => this.#findSource(name, stage, draft);
    for (const trigger of triggers) {
      const instruction = this.#trigger(trigger, stage);
      await dispatch(draft, { ...instruction, range: stage.from.range }, find);
    }
    for (const instruction of stage.instructions) await dispatch(draft, instruction, find);
    return draft;
  }

  #trigger(text: string, stage: Stage) {
    try {
      const instruction = parseSingleInstruction(text, { file: this.#dockerfile.file });
      if (instruction.kind === 'from' || instruction.kind === 'maintainer' || instruction.kind === 'onbuild')
        throw invalid(`${instruction.kind.toUpperCase()} isn't allowed as an ONBUILD trigger`);
      return instruction;
    } catch (error) {
      throw located(
        stage.from.range,
        invalid(`the base image's ONBUILD trigger: ${messageOf(error)}`, { cause: error }),
      );
    }
  }

  async #start(stage: Stage): Promise<StageDraft> {
    const { from } = stage;
    try {
      const name = this.#globals.expand(from.image);
      if (name === '') throw invalid(`base name (${from.image}) should not be blank`);
      const platform = this.#platformOf(stage);
      const parent = this.#earlier(name, stage);
      if (parent) return this.#continue(stage, await this.#draft(parent));
      if (name === 'scratch') return this.#fresh(stage, platform, undefined, name);
      const base = await this.#resolve(name, platform);
      return this.#fresh(stage, platform, base, name);
    } catch (error) {
      throw located(from.range, error);
    }
  }

  #platformOf(stage: Stage): Platform {
    const { platform } = stage.from;
    if (platform === undefined) return this.#platform;
    const text = this.#globals.expand(this.#withPlatformArgs(platform));
    if (text === '') throw invalid(`empty platform value from expression ${platform}`);
    return parsePlatform(text);
  }

  /** Platform arguments need no ARG in FROM. */
  #withPlatformArgs(text: string): string {
    return text.replace(/\$(?:\{([A-Z]+)\}|([A-Z]+))/g, (match, braced?: string, plain?: string) => {
      const name = braced ?? plain ?? '';
      return this.#globals.lookup(name) ?? this.#platformArgs[name] ?? match;
    });
  }

  #earlier(name: string, stage: Stage): Stage | undefined {
    return this.#dockerfile.stages.slice(0, stage.index).findLast((other) => other.name === name.toLowerCase());
  }

  async #resolve(name: string, platform: Platform): Promise<BaseImage> {
    return await this.#input.host.resolveImage(name, platform, { signal: this.#input.signal });
  }

  #scope(): Scope {
    return new Scope({
      escape: this.#dockerfile.escape,
      given: this.#input.buildArgs,
      used: this.#used,
      inherited: (name) => this.#globals.lookup(name) ?? this.#platformArgs[name],
    });
  }

  #fresh(stage: Stage, platform: Platform, base: BaseImage | undefined, name: string): StageDraft {
    const config = structuredClone(base?.config.config ?? {});
    withDefaultPath(config);
    const root = base && this.#imageVertex(stage, name, base, platform);
    return this.#begin(stage, {
      platform,
      root,
      config,
      base,
      shell: config.Shell ?? DEFAULT_SHELL,
      author: undefined,
      history: [],
    });
  }

  #imageVertex(stage: Stage, name: string, base: BaseImage, platform: Platform): Vertex | undefined {
    if (base.config.rootfs.diff_ids.length === 0) return undefined;
    return vertex({ kind: 'image', name, id: base.id, platform }, [], `FROM ${name}`, stage.from.range);
  }

  #continue(stage: Stage, parent: StageDraft): StageDraft {
    const { platform, root, base, shell, author, history } = parent;
    const config = structuredClone(parent.config);
    return this.#begin(stage, { platform, root, config, base, shell, author, history });
  }

  #begin(
    stage: Stage,
    from: Pick<StageDraft, 'platform' | 'root' | 'config' | 'base' | 'shell' | 'author' | 'history'>,
  ): StageDraft {
    const scope = this.#scope();
    scope.env = from.config.Env ?? [];
    const step: PlanStep = {
      text: stage.from.original,
      source: stage.from.range,
      stage: stage.index,
      config: structuredClone(from.config),
      createdBy: '',
      ...(from.root === undefined ? {} : { vertex: from.root }),
      ...(from.base === undefined || from.history.length > 0 ? {} : { base: from.base.id }),
    };
    return {
      ...from,
      index: stage.index,
      scope,
      cmdSet: false,
      history: [...from.history],
      steps: [step],
      quietEnv: quietArgs(this.#input.buildArgs),
    };
  }

  /** `--from`: an earlier stage by name or number, else an image. */
  async #findSource(name: string, stage: Stage, draft: StageDraft): Promise<Vertex | undefined> {
    const { stages } = this.#dockerfile;
    const earlier = this.#earlier(name, stage) ?? (/^\d{1,6}$/.test(name) ? stages[Number(name)] : undefined);
    if (earlier) {
      if (earlier.index >= stage.index)
        throw invalid(`invalid from flag value ${name}: refers to current build stage or a later one`);
      return (await this.#draft(earlier)).root;
    }
    if (name === 'scratch') return undefined;
    try {
      const base = await this.#resolve(name, draft.platform);
      return this.#imageVertex(stage, name, base, draft.platform);
    } catch (error) {
      if (isKind(error, 'cancelled')) throw error;
      throw invalid(`invalid from flag value ${name}: ${messageOf(error)}`, { cause: error });
    }
  }

  #warnings(): readonly string[] {
    const unused = Object.keys(this.#input.buildArgs).filter((name) => !this.#used.has(name) && !isPredefined(name));
    return unused.length === 0
      ? []
      : [`[Warning] One or more build-args [${unused.sort().join(' ')}] were not consumed\n`];
  }
}
