/** Names that mean a device on Windows, with or without an extension; the superscript digits count as digits there. */
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d¹²³])\s*(\.|$)/i
const NAME_BYTES_MAX = 255

/**
 * Why a name that a peer offers can't be used for a file in our folder, as the end of a sentence; `undefined`: it can.
 * A valid name is a single component: joined to a folder, it stays in that folder on every system. And a terminal shows
 * it as it is.
 */
export function nameProblem(name: string): string | undefined {
  if (name === "") return "it is empty"
  if (name === "." || name === "..") return "it is a folder"
  if (/[/\\:]/.test(name)) return "it contains a path"
  if (/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(name)) return "it contains control characters"
  if (/\p{Surrogate}/u.test(name)) return "it is no Unicode text"
  if (/[<>"|?*]/.test(name)) return 'it contains one of < > " | ? *'
  if (DEVICE.test(name)) return "it is the name of a device"
  if (name.startsWith(".")) return "it is hidden"
  if (/^\s|[.\s]$/.test(name)) return "it begins or ends with a space, or ends with a dot"
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) return `it is longer than ${NAME_BYTES_MAX} bytes`
  return undefined
}
