/** Taking attached streams apart. */
export { copyRaw, demultiplex, type Outputs } from './demultiplex.ts';
