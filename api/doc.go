// Package api is the REST interface and nothing else: it decodes and validates a request, calls one service method and
// encodes the answer. One file a resource; errors become responses in one place (errors.go), access strings and tenants
// are checked in one place (caller.go), and routes.go is the table of what exists. *gin.Context never leaves this
// package. The description of the interface, api.yml, is served at /0.1/api/api.yml.
//
// Section numbers in comments are those of the contract's conventions.md unless another page is named.
package api
