package load

import (
	"math/bits"
	"time"
)

const (
	// subBuckets divide every power of two: a quantile is exact to 1.6 %.
	subBits    = 6
	subBuckets = 1 << subBits
	buckets    = (64 - subBits) * subBuckets
)

// Histogram counts durations in logarithmic buckets. It is not safe for concurrent use: every connection has one of its
// own, and they are merged at the end.
type Histogram struct {
	counts [buckets]uint32
	n      int
	max    time.Duration
}

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	h.counts[bucket(d)]++
	h.n++
	h.max = max(h.max, d)
}

// Merge adds what another histogram counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// Count is how many durations were observed.
func (h *Histogram) Count() int { return h.n }

// Quantile is the duration that a share q (0 to 1) of all stayed within; 0 without any.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := int(q*float64(h.n)) + 1
	seen := 0
	for i, c := range h.counts {
		if seen += int(c); seen >= rank {
			return min(upper(i), h.max)
		}
	}
	return h.max
}

// bucket numbers durations: linear below subBuckets nanoseconds, then subBuckets for every power of two.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return (shift+1)*subBuckets + int(v>>shift) - subBuckets //nolint:gosec // below buckets
}

// upper is the longest duration of a bucket.
func upper(i int) time.Duration {
	if i < subBuckets {
		return time.Duration(i)
	}
	shift := i/subBuckets - 1
	return time.Duration((uint64(i%subBuckets)+subBuckets+1)<<shift - 1) //nolint:gosec // comes from a duration
}
