import { DELIVERIES, type Delivery, traitsNamed } from "@x/wire"

/** How much a mode promises, for their order: not to wait for room is worth less than all else. */
function rank(delivery: Delivery): number {
  const traits = traitsNamed(delivery)
  return (traits.waits ? 100 : 0) + Object.values(traits).filter((trait) => trait === true).length
}

/**
 * All delivery modes, for draws: those first that promise most, so that a failure shrinks towards these. `reliable` is
 * in it as often as `reliables` says: programs use it most.
 */
export function deliveriesDrawn(reliables = 1): readonly Delivery[] {
  const more = Array.from({ length: reliables - 1 }, (): Delivery => "reliable")
  return [...more, ...[...DELIVERIES].sort((a, b) => rank(b) - rank(a))]
}
