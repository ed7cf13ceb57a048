export * from "./host.ts"
