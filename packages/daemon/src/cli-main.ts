import './resolve-quickly.ts';

// Imported once the hook is there: what a module imports itself is resolved before any of it runs.
const { main } = await import('./main.ts');

await main(process.argv.slice(2));
