// Package temporal runs the Temporal server with its Web UI inside this process, on a PostgreSQL, tuned for one small
// machine and reachable from it alone.
package temporal
