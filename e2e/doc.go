// Package e2e tests xivo-auth from outside: the programs as they are built, several at a time, with a real PostgreSQL and a
// real Temporal, over HTTP, through what an operator has (SQL, the Temporal SDK, signals, a network that fails). It knows
// nothing of the product's packages. Faults between processes are made by a TCP proxy, never by hooks in the product.
//
//	bin/dev exec -- go test ./e2e
package e2e
