/** What this build calls itself. */
export const VERSION = { version: '0.1.0', commit: 'source', builtAt: '' } as const;
