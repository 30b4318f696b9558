import { operation } from '../operation.ts';
import { anything, flag, obj, record } from '../schema.ts';
import { FsckReport, GcReport, BerthInfo as Info, Referrer } from '../schemas/berth.ts';
import { Type } from '../type.ts';

export const BerthInfo = operation('BerthInfo', { response: Info });
export const BerthFsck = operation('BerthFsck', { response: FsckReport });
export const BerthGc = operation('BerthGc', { query: obj({ dryRun: flag() }), response: GcReport });
/** Signatures, bills of materials and such that are stored with an image. */
export const BerthReferrers = operation('BerthReferrers', { response: Type.Array(Referrer) });
export const BerthOpenApi = operation('BerthOpenApi', { response: record(anything) });
