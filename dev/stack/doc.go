// Package stack puts the development stack together: ports, folder, PostgreSQL, Temporal, the product's programs, the screen
// for the developer and the file for scripts; and the small stack for one test command.
package stack
