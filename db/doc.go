// Package db is PostgreSQL as the services see it: the queries that sqlc generates from query/, the pool, one helper for
// transactions, and the schema with its migrations. It holds no business rules. Every generated method takes the pool or
// the transaction as an argument, so that a statement that runs outside its transaction is visible where it is called.
package db
