// Command dev is the all-in-one for a laptop and for tests: it finds and starts PostgreSQL, embeds the Temporal server with
// its Web UI, and supervises the real api and worker programs. It is a module of its own so that its heavy dependencies
// never reach the product's go.mod.
package main
