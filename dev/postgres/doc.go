// Package postgres finds, or brings, a PostgreSQL and runs one private cluster of it for a development stack: as an
// ordinary user, or as root without PostgreSQL noticing (it refuses to run as root).
package postgres
