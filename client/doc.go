// Package client speaks to the REST interface of xivo-auth, or of wazo-auth 26.04, for Go services and for the command
// line xivo-auth. A Client is safe for concurrent use; With and In make cheap copies with another token or tenant. Every
// call takes a context, answers are bounded in size, and a refusal is an *Error with what the server said. Nothing is
// retried: the caller knows what may be repeated.
//
// A service that checks its callers' tokens needs one call:
//
//	auth, err := client.New("http://127.0.0.1:9497")
//	...
//	ok, err := auth.Tokens.Check(ctx, token, client.CheckOptions{Scope: "calld.calls.read", Tenant: tenant})
//
// err is only set when it cannot be told; then a service answers 503 and does not serve the request.
package client
