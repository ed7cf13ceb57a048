export { Draw } from "./draw.ts"
export { between, bytes, identity, number, pick, u16, u32 } from "./fields.ts"
export { type Inside, insideOf } from "./inside.ts"
export { StreamRecord } from "./stream-record.ts"
