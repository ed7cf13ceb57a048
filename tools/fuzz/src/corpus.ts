/** The inputs kept: one small datagram of each kind in each profile, scripts, and all findings. */
import { readdirSync, readFileSync } from "node:fs"
import { Random } from "@x/transport/simulated"
import { KIND_NAMES, PROFILE } from "@x/wire"
import { bytes } from "@x/testkit"
import { EVERY_KIND, makeDatagram } from "./packets.ts"

export interface CorpusEntry {
  readonly name: string
  readonly bytes: Uint8Array
}

const SEED = 1
const SCRIPTS = 12

export function readCorpus(folder: URL): CorpusEntry[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".bin"))
    .toSorted()
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(new URL(name, folder))) }))
}

/** The part that is generated, not found: always the same. */
export function makeSeeds(): CorpusEntry[] {
  const profiles = Object.entries(PROFILE)
  const packets = profiles.flatMap(([profileName, profile]) =>
    EVERY_KIND.map((kind) => {
      const name = `packet-${KIND_NAMES[kind]}-${profileName}`
      return { name: `${name}.bin`, bytes: makeDatagram(new Random(SEED, name), profile, [kind]) }
    }),
  )
  const several = profiles.map(([profileName, profile]) => {
    const name = `packets-${profileName}`
    return { name: `${name}.bin`, bytes: makeDatagram(new Random(SEED, name), profile, [8, 12, 13, 14, 15]) }
  })
  const scripts = Array.from({ length: SCRIPTS }, (_, i) => ({
    name: `script-${String(i).padStart(2, "0")}.bin`,
    bytes: bytes(new Random(SEED + i, "script"), 600),
  }))
  return [...packets, ...several, ...scripts]
}
