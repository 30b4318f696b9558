import { main } from './main.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `berth logs | head` is no mistake.
  if (error.code === 'EPIPE') process.exit(141);
  throw error;
});

const code = await main(process.argv.slice(2));
// Kept-alive connections would hold the process; leaving by hand after the last write is quicker than closing them.
process.exitCode = code;
process.stdout.write('', () => process.exit(code));
