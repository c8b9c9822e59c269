// Package fault is the one error type of the domain: what kind of thing went wrong, with which resource, and what a
// client may be told. Services return it; api turns it into a response in one place; nobody else knows a status code.
// An error that is not of this type is an accident: clients learn nothing of it and the log says it all.
package fault

import (
	"errors"
	"time"
)

// Kind says what sort of failure it is. It is itself an error, so that errors.Is(err, fault.NotFound) works.
type Kind string

// Error makes a Kind an error of its own.
func (k Kind) Error() string { return string(k) }

// The kinds. api has a row for each of them; a kind without one fails its tests.
const (
	Invalid         Kind = "invalid"         // the request is wrong in itself
	Unauthenticated Kind = "unauthenticated" // nobody, or not allowed: 401 in this API, never 403
	Forbidden       Kind = "forbidden"
	NotFound        Kind = "not found"
	NotAllowed      Kind = "not allowed" // the thing exists, and this cannot be done to it
	Conflict        Kind = "conflict"
	Exhausted       Kind = "exhausted"   // a limit of the client's is reached
	Unavailable     Kind = "unavailable" // we cannot tell now; trying later may help
	Failed          Kind = "failed"      // it cannot be done as things are set up here, and the client may know why
)

// Kinds lists them all.
func Kinds() []Kind {
	return []Kind{Invalid, Unauthenticated, Forbidden, NotFound, NotAllowed, Conflict, Exhausted, Unavailable, Failed}
}

// Error is a failure that a client may know about.
type Error struct {
	Kind Kind
	// ID is the machine-readable error id of the modern body. Empty means that this failure has the historic body
	// (conventions.md section 7, shape B).
	ID       string
	Message  string
	Resource string
	// Details holds only JSON values. Nil is shown as an empty object.
	Details map[string]any
	// RetryAfter, for Unavailable and Exhausted, is what the client is told to wait; 0 says nothing.
	RetryAfter time.Duration
	cause      error
}

// Historic is a failure with the historic body, which carries a text only.
func Historic(kind Kind, message string) *Error { return &Error{Kind: kind, Message: message} }

// Modern is a failure with an error id, a resource (may be empty) and details.
func Modern(kind Kind, id, resource, message string, details map[string]any) *Error {
	return &Error{Kind: kind, ID: id, Resource: resource, Message: message, Details: details}
}

// Because records what led to the failure, for the log; clients never see it.
func (e *Error) Because(cause error) *Error {
	e.cause = cause
	return e
}

// Error is the text for the log.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.Message + ": " + e.cause.Error()
	}
	return e.Message
}

// Unwrap gives the kind and the cause to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.cause != nil {
		return []error{e.Kind, e.cause}
	}
	return []error{e.Kind}
}

// As finds the failure in an error chain.
func As(err error) (*Error, bool) {
	var f *Error
	ok := errors.As(err, &f)
	return f, ok
}

// AuthenticationFailed is the one answer to every refused login: it does not tell why (tokens.md section 3).
func AuthenticationFailed() *Error { return Historic(Unauthenticated, "Authentication Failed") }

// UnknownUser is the answer when a user is not there or not visible.
func UnknownUser(uuid string) *Error {
	return Modern(NotFound, "unknown-user", "users", `No such user: "`+uuid+`"`, map[string]any{"uuid": uuid})
}

// UnknownTenant is the answer when a tenant is not there or not visible.
func UnknownTenant(id string) *Error {
	return Modern(NotFound, "unknown-tenant", "tenants", `No such tenant: "`+id+`"`, map[string]any{"uuid": id})
}
