// Package load offers requests to a server and measures what comes back. Its client is a minimal one of HTTP/1.1 with
// keep-alive, ready-made request bytes and answers without a body, because it shares the cores with what it measures: what
// it costs dilutes every comparison.
package load
