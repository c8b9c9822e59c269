package db

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// brokenPipe tells whether the other side of a connection had gone.
func brokenPipe(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
