/**
 * UDP in batches behind one noun, `Host`; the only package that touches the operating system.
 *
 * @module
 */

export { formatAddress, formatHost, normalizeAddress, type ParsedHost, parseHost } from "./addresses.ts"
export * from "./host.ts"
export { TransportError, type TransportErrorCode } from "./transport-error.ts"
