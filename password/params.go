package password

import (
	"errors"

	"golang.org/x/crypto/argon2"
)

// Params is the cost of one argon2id hash.
type Params struct {
	// MemoryKiB is the memory that one hash fills, in KiB: 8 for each lane at least, 1 GiB at most.
	MemoryKiB uint32
	// Iterations is the number of passes over this memory: 1 to 64; memory times passes is bounded too (10 GiB).
	Iterations uint32
	// Parallelism is the number of lanes, each a goroutine while the hash is made: 1 to 16.
	Parallelism uint8
}

// The bounds of a hash that we are ready to compute, whoever made it. All that the configuration admits is inside.
const (
	maxMemoryKiB   = 1 << 20
	maxIterations  = 64
	maxParallelism = 16
	maxWorkKiB     = 10 << 20 // memory times passes: some seconds
	minLaneKiB     = 8        // of argon2 itself

	saltBytes = 16
	keyBytes  = 32
)

var errCost = errors.New("cost parameters out of bounds")

func (p Params) check() error {
	switch {
	case p.Parallelism < 1 || p.Parallelism > maxParallelism,
		p.Iterations < 1 || p.Iterations > maxIterations,
		p.MemoryKiB < minLaneKiB*uint32(p.Parallelism) || p.MemoryKiB > maxMemoryKiB,
		uint64(p.MemoryKiB)*uint64(p.Iterations) > maxWorkKiB:
		return errCost
	}
	return nil
}

// Key is the bare argon2id hash of 32 bytes: no gate, no bounds. [Hasher] is what serves requests; this is for measuring
// against.
func Key(password string, salt []byte, p Params) []byte {
	return argon2.IDKey([]byte(password), salt, p.Iterations, p.MemoryKiB, p.Parallelism, keyBytes)
}
