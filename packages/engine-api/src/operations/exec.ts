import { operation } from '../operation.ts';
import { int, obj, opt } from '../schema.ts';
import { IdResponse } from '../schemas/common.ts';
import { ExecCreateBody, ExecStartBody, ExecInspect as Inspect } from '../schemas/exec.ts';

export const ContainerExec = operation('ContainerExec', { body: ExecCreateBody, response: IdResponse, status: 201 });
export const ExecStart = operation('ExecStart', { body: ExecStartBody });
export const ExecResize = operation('ExecResize', { query: obj({ h: opt(int), w: opt(int) }) });
export const ExecInspect = operation('ExecInspect', { response: Inspect });
