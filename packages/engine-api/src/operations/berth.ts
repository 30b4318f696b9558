import { operation } from '../operation.ts';
import { anything, flag, obj, record } from '../schema.ts';
import { FsckReport, GcReport, BerthInfo as Info } from '../schemas/berth.ts';

export const BerthInfo = operation('BerthInfo', { response: Info });
export const BerthFsck = operation('BerthFsck', { response: FsckReport });
export const BerthGc = operation('BerthGc', { query: obj({ dryRun: flag() }), response: GcReport });
export const BerthOpenApi = operation('BerthOpenApi', { response: record(anything) });
