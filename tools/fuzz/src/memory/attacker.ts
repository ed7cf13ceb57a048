/** A process with attackers: forked by `measure.ts`. They stay until it ends. */
import { ATTACKS } from "./attacks.ts"

const [name, port] = process.argv.slice(2)
await ATTACKS.find((attack) => attack.name === name)!.run(Number(port))
process.send!("done")
process.on("disconnect", () => process.exit())
