import type { StageDraft } from '../stage.ts';

/** The history line of an instruction that runs nothing, as the classic builder writes it. */
export function comment(stage: StageDraft, text: string): string {
  return `${stage.shell.join(' ')} #(nop)  ${text}`;
}
