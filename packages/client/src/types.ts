import type { Duplex, Readable } from 'node:stream';
import type { CallOptions } from '@berth/base';
import type { BodyOf, OperationId, ParametersOf, QueryOf, ResponseOf, Routes } from '@berth/engine-api';
import type { Address, TlsOptions } from './host.ts';

export type { CallOptions };

export interface ClientOptions {
  /** See `host.ts`; default BERTH_HOST, DOCKER_HOST, `unix:///run/berth.sock`. */
  readonly host?: string;
  readonly tls?: TlsOptions;
  /** API version to speak; default the newest that both sides know, asked for once. */
  readonly version?: string;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
}

export type Upload = Readable | AsyncIterable<Uint8Array> | Uint8Array;

type Params<Id extends OperationId> = keyof ParametersOf<Id> extends never
  ? unknown
  : { readonly params: ParametersOf<Id> };
type Body<Id extends OperationId> = BodyOf<Id> extends undefined ? unknown : { readonly body?: BodyOf<Id> };
type Up<Id extends OperationId> = Routes[Id] extends { upload: 'tar' } ? { readonly upload?: Upload } : unknown;

/** Allows `undefined` for whatever may be left out. */
type Loose<T> = { readonly [K in keyof T]: T[K] | (undefined extends T[K] ? undefined : never) };
type LooseQuery<T> = Loose<{ [K in keyof T]?: T[K] | undefined }>;

type Inputs = {
  readonly [Id in OperationId]: {
    readonly query?: LooseQuery<QueryOf<Id>>;
    readonly headers?: Readonly<Record<string, string>>;
  } & Params<Id> &
    Body<Id> &
    Up<Id>;
};

/** What an operation takes: path parameters, query, JSON body or uploaded bytes, further headers. */
export type InputOf<Id extends OperationId> = Inputs[Id];

/** A connection that has become a byte stream both ways. Ending the duplex closes its sending half only. */
export interface Hijacked extends AsyncDisposable {
  readonly duplex: Duplex;
  /** Whether the daemon said that output is multiplexed; undefined before API 1.42, where the TTY decides. */
  readonly multiplexed: boolean | undefined;
}

type StreamOf<Id extends OperationId> = Routes[Id] extends { stream: infer S } ? S : 'none';

type Results = {
  readonly [Id in OperationId]: StreamOf<Id> extends 'json'
    ? AsyncGenerator<NonNullable<ResponseOf<Id>>, void, undefined>
    : StreamOf<Id> extends 'tar' | 'raw'
      ? Readable
      : StreamOf<Id> extends 'upgrade' | 'websocket'
        ? Hijacked
        : ResponseOf<Id>;
};

/** What an operation gives, by the kind of its stream. */
export type ResultOf<Id extends OperationId> = Results[Id];

/** A response whose head has arrived. Either read `body` to its end or destroy it. */
export interface OpenResponse<T> {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
  /** Reads the body as JSON; undefined when it is empty. */
  json(): Promise<T>;
}

/**
 * A connection to a daemon, typed by the operations of `@berth/engine-api`.
 *
 * Every call throws EngineError: the daemon's message with the kind of its status, or `unavailable` when there is no
 * daemon to talk to. A streaming call throws before its first item if the daemon refuses.
 */
export interface Core extends AsyncDisposable {
  readonly address: Address;
  /** Performs an operation and reads its answer. */
  call<Id extends OperationId>(id: Id, ...rest: Arguments<Id>): Promise<ResultOf<Id>>;
  /** Performs an operation and hands over the response as soon as its head is there. */
  open<Id extends OperationId>(id: Id, ...rest: Arguments<Id>): Promise<OpenResponse<ResponseOf<Id>>>;
  /** The API version in use; asks the daemon the first time. */
  version(options?: CallOptions): Promise<string>;
}

/** The input may be left out where an operation has no path parameters. */
export type Arguments<Id extends OperationId> = keyof ParametersOf<Id> extends never
  ? [input?: InputOf<Id>, options?: CallOptions]
  : [input: InputOf<Id>, options?: CallOptions];
