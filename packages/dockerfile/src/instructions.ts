import type { Heredoc } from './logical-lines.ts';
import type { SourceRange } from './source.ts';

/** A word of an instruction with its place; not expanded yet. */
export interface SourceText {
  readonly text: string;
  readonly range: SourceRange;
}

interface Node {
  readonly range: SourceRange;
  /** The instruction as written, continuation lines joined. */
  readonly original: string;
  readonly heredocs: readonly Heredoc[];
}

/** Command in its JSON form (`shell: false`, `args` as given) or as a line for the shell (`args` has one element). */
export interface CommandLine {
  readonly shell: boolean;
  readonly args: readonly string[];
}

export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly range: SourceRange;
}

export interface FromInstruction extends Node {
  readonly kind: 'from';
  readonly image: string;
  readonly platform?: string;
  /** Stage name as written. */
  readonly as?: string;
}

export interface RunInstruction extends Node {
  readonly kind: 'run';
  readonly command: CommandLine;
  readonly mounts: readonly RunMount[];
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
}

export interface RunMount {
  readonly type: 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh';
  readonly target?: string;
  readonly source?: string;
  readonly from?: string;
  readonly id?: string;
  readonly env?: string;
  readonly sharing?: 'shared' | 'private' | 'locked';
  readonly readOnly: boolean;
  readonly required: boolean;
  /** Bytes, for tmpfs. */
  readonly size?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

interface Transfer extends Node {
  readonly sources: readonly SourceText[];
  readonly destination: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  readonly exclude: readonly string[];
}

export interface CopyInstruction extends Transfer {
  readonly kind: 'copy';
  readonly from?: string;
  readonly parents: boolean;
}

export interface AddInstruction extends Transfer {
  readonly kind: 'add';
  readonly checksum?: string;
  readonly keepGitDir: boolean;
  /** `--unpack`, undefined: local archives are unpacked, downloaded ones are not. */
  readonly unpack?: boolean;
}

export interface EnvInstruction extends Node {
  readonly kind: 'env';
  readonly pairs: readonly KeyValue[];
  readonly legacy: boolean;
}

export interface LabelInstruction extends Node {
  readonly kind: 'label';
  readonly pairs: readonly KeyValue[];
  readonly legacy: boolean;
}

export interface ArgInstruction extends Node {
  readonly kind: 'arg';
  readonly args: readonly { readonly name: string; readonly value?: string; readonly range: SourceRange }[];
}

export interface CommandInstruction extends Node {
  readonly kind: 'cmd' | 'entrypoint';
  readonly command: CommandLine;
}

export interface ShellInstruction extends Node {
  readonly kind: 'shell';
  readonly shell: readonly string[];
}

/** Instructions with one argument. */
export interface SingleInstruction extends Node {
  readonly kind: 'workdir' | 'user' | 'stopsignal' | 'maintainer';
  readonly value: string;
}

export interface ListInstruction extends Node {
  readonly kind: 'expose' | 'volume';
  readonly values: readonly string[];
}

export interface OnbuildInstruction extends Node {
  readonly kind: 'onbuild';
  /** The trigger as it goes into the image. */
  readonly trigger: string;
}

/** Durations in nanoseconds. */
export interface HealthcheckInstruction extends Node {
  readonly kind: 'healthcheck';
  readonly test: 'NONE' | CommandLine;
  readonly interval?: number;
  readonly timeout?: number;
  readonly startPeriod?: number;
  readonly startInterval?: number;
  readonly retries?: number;
}

export type Instruction =
  | FromInstruction
  | RunInstruction
  | CopyInstruction
  | AddInstruction
  | EnvInstruction
  | LabelInstruction
  | ArgInstruction
  | CommandInstruction
  | ShellInstruction
  | SingleInstruction
  | ListInstruction
  | OnbuildInstruction
  | HealthcheckInstruction;

/** One FROM and what follows it. */
export interface Stage {
  readonly index: number;
  /** Lower case; undefined for a stage without AS. */
  readonly name?: string;
  readonly from: FromInstruction;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  readonly file: string;
  readonly escape: string;
  readonly syntax?: string;
  readonly check?: string;
  /** ARG instructions before the first FROM. */
  readonly globalArgs: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
}
