/** `npm run simulate:long` asks for a hundred times as much of everything that uses this. */
export const SCALE = Number(process.env["X_SCALE"] ?? 1)
/** How long that may take. */
export const LONG_MS: number = 60_000 * SCALE
