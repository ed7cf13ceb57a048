export { type Exploration, explore, type State, type Violation } from "./explore.ts"
export { STREAM_PROPERTIES, type StreamDefect, type StreamScope, StreamState } from "./stream-model.ts"
export { MODES, type ScopeName, SCOPES, streamScope } from "./scopes.ts"
