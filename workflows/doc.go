// Package workflows owns the deterministic half of everything that waits longer than a request: TokenLifetime, which
// sleeps until a token expires and then has it deleted, and LifetimeAudit, which compares the database with Temporal and
// repairs. It also owns all names that Temporal sees (workflow types, ids, task queue, signals, queries, search
// attributes, activities), the Client by which the relay starts and ends lifetimes, and what a worker or a namespace
// needs to run them.
//
// Workflow code does no I/O and imports no service: what touches the world is an activity, named here and implemented
// in package activities. No secret ever comes here: ids, inputs, results, memos, search attributes and failures can be
// read by everybody who reaches the Web UI.
//
// Code that changes the commands of a workflow needs workflow.GetVersion and a new history in testdata/histories;
// because sleeps are cut into legs, a course that is older than 60 days need not be kept.
package workflows
