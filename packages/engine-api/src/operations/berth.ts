import { operation } from '../operation.ts';
import { anything, record } from '../schema.ts';
import { FsckReport, BerthInfo as Info } from '../schemas/berth.ts';

export const BerthInfo = operation('BerthInfo', { response: Info });
export const BerthFsck = operation('BerthFsck', { response: FsckReport });
export const BerthOpenApi = operation('BerthOpenApi', { response: record(anything) });
