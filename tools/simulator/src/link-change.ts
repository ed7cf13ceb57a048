import type { LinkOptions, Network } from "@x/transport/simulated"

/**
 * Changes some options of one direction. Returns a function that gives these, and no others, the values that they have
 * in `usual`: other faults may have begun or ended meanwhile.
 */
export function changeLink(
  network: Network,
  [from, to]: readonly [string, string],
  changes: LinkOptions,
  usual: LinkOptions,
): () => void {
  const link = network.linkOf(from, to)
  network.link(from, to, { ...link.options, ...changes })
  return () => {
    const options = { ...link.options }
    for (const name of Object.keys(changes) as (keyof LinkOptions)[]) {
      delete options[name]
      if (usual[name] !== undefined) Object.assign(options, { [name]: usual[name] })
    }
    network.link(from, to, options)
  }
}
