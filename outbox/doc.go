// Package outbox works off what transactions left behind: the rows of lifetime_due, each of which says that a session
// wants a running lifetime or wants it ended. The relay leases rows in a short transaction, hands them to a sink outside
// any transaction, and removes a row only if it is still the one it acted on. Because there is one row a session, and it
// is turned round in place, "end" cannot overtake "run". Any number of relays may run side by side.
//
// The other table is event_outbox, a log: what the bus is owed, in its order. A Publisher hands it on, one process at a
// time, and removes what the broker confirmed.
//
// Both sinks are interfaces declared here and wired in cmd/worker: this package knows nothing of Temporal and AMQP. Neither
// waits for the other.
package outbox
