// Package outbox works off what transactions left behind: the rows of lifetime_due, each of which says that a session
// wants a running lifetime or wants it ended. The relay leases rows in a short transaction, hands them to a sink outside
// any transaction, and removes a row only if it is still the one it acted on. Because there is one row a session, and it
// is turned round in place, "end" cannot overtake "run". Any number of relays may run side by side.
//
// A sink is an interface declared here and wired in cmd/worker: this package knows nothing of Temporal.
package outbox
