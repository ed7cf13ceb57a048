/** The vectors of @x/wire that a receiver accepts: the golden packets. */
import { readFileSync } from "node:fs"
import { type Profile, PROFILE, type ProfileName, pseudoHeaderSeed } from "@x/wire"

export interface Golden {
  readonly name: string
  readonly kinds: readonly string[]
  readonly profile: Profile
  /** The CRC of the pseudo-header that its tag covers. */
  readonly seed: number
  readonly bytes: Uint8Array
}

interface Vector {
  readonly name: string
  readonly profile: ProfileName
  readonly pseudoHeader: string
  readonly datagram: string
  readonly decoded?: { readonly packets: readonly { readonly kind: string }[] }
}

export function readGolden(file: URL): Golden[] {
  const vectors = JSON.parse(readFileSync(file, "utf8")) as Vector[]
  return vectors.flatMap(({ name, profile, pseudoHeader, datagram, decoded }) => {
    if (decoded === undefined) return []
    const header = fromHex(pseudoHeader)
    const [receiverUnique, senderUnique, receiverSession, senderSession] = [0, 8, 16, 24].map((at) =>
      header.subarray(at, at + 8),
    )
    const seed = pseudoHeaderSeed({
      receiverUnique: receiverUnique!,
      senderUnique: senderUnique!,
      receiverSession: receiverSession!,
      senderSession: senderSession!,
    })
    return [
      {
        name,
        kinds: decoded.packets.map(({ kind }) => kind),
        profile: PROFILE[profile],
        seed,
        bytes: fromHex(datagram),
      },
    ]
  })
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"))
}
