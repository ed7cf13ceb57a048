/** Names that mean a device on Windows, with or without an extension. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i
const NAME_BYTES_MAX = 255

/**
 * Why a name that a peer offers isn't one for a file in our folder; `undefined`: it is. What passes is a single component: joined to a folder it
 * stays in it on every system.
 */
export function nameProblem(name: string): string | undefined {
  if (name === "" || name === "." || name === "..") return "it is no file name"
  if (/[/\\:]/.test(name)) return "it contains a path"
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(name)) return "it contains control characters"
  if (RESERVED.test(name)) return "it is the name of a device"
  if (name.startsWith(".")) return "it is hidden"
  if (name.endsWith(".") || name.endsWith(" ")) return "it ends in a dot or space"
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) return `it is longer than ${NAME_BYTES_MAX} bytes`
  return undefined
}
