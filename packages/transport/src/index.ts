/**
 * UDP in batches behind one interface, `Host`; the only package that touches the operating system.
 *
 * @module
 */

export { type FaultCounters, type FaultOptions, withFaults } from "./faults.ts"
export * from "./host.ts"
export { systemHost } from "./system-host.ts"
export { TransportError, type TransportErrorCode } from "./transport-error.ts"
