// Package events is the catalogue of what other services of the platform are told over the bus: one type an event, each
// with its name, its routing key, its headers and its JSON, exactly as the contract's events.md has them. Services add
// events to the log of the outbox in the transaction of the change; the relay of the worker publishes them. The package
// knows no broker and no database.
package events

import "github.com/google/uuid"

// Event is one thing that happened. Every type of the catalogue is one.
type Event interface {
	// Describe gives everything about the event but the moment and the installation.
	Describe() Description
}

// Description is an event as the log keeps it.
type Description struct {
	Name string
	// RoutingKey has its parts escaped and is 255 bytes at most (section 4).
	RoutingKey string
	Tenant     uuid.UUID
	// Audience are the headers user_uuid:<Audience>: "*" for every user of the tenant, the auth id of one user, or empty
	// for nobody in particular.
	Audience string
	// Session is the header session_uuid of the session events.
	Session *uuid.UUID
	// Data is the payload, encoded as JSON.
	Data any
}
