// Package throttle slows down the guessing of passwords, together for all API processes: it counts failed attempts under
// (login, address) and under the address alone. An attempt is reserved before the password is looked at, so that no
// number of parallel ones passes the limit, and given back when it did not fail. The owner of a login who comes from
// elsewhere has a count of their own, and live sessions are never touched. Counts are kept under SHA-256 sums.
package throttle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
)

const (
	// patience is the longest wait for attempts that are being judged and may leave room; it is over before the request is.
	patience = 5 * time.Second
	// firstLook and lastLook are between two looks at whether there is room.
	firstLook, lastLook = 10 * time.Millisecond, 100 * time.Millisecond
	// settleTime bounds the statement that ends an attempt, which runs even when the client has gone.
	settleTime = 2 * time.Second
)

// Deps are what a guard works with.
type Deps struct {
	Pool    db.DBTX
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Limits  config.LoginThrottle
}

// Guard admits attempts or refuses them. A nil guard, and one that is switched off, admits all.
type Guard struct {
	d       Deps
	q       *db.Queries
	refused *prometheus.CounterVec
	gates   gates
}

// The rules that refuse, as values of a label.
const (
	byLogin   = "login"
	byAddress = "address"
	byWaiting = "waiting" // too many attempts at a time with one login from one address
)

// New makes a guard and registers its metrics; it panics when they are registered already.
func New(d Deps) *Guard {
	g := &Guard{d: d, q: db.New(), refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "xivo_auth_logins_throttled_total",
		Help: "Attempts with a password that were refused unseen after too many failures, by rule."}, []string{"rule"}),
		gates: gates{most: d.Limits.Failures}}
	d.Metrics.MustRegister(g.refused)
	for _, rule := range []string{byLogin, byAddress, byWaiting} {
		g.refused.WithLabelValues(rule)
	}
	return g
}

// Begin reserves an attempt with a login from an address; text that is no address counts as one of its own. The caller
// calls done once, with false if the attempt failed: a wrong password, not a database that was away. Too many failures
// are fault.Exhausted with the time to wait; the password is not to be looked at then. An unreachable database is
// fault.Unavailable.
func (g *Guard) Begin(ctx context.Context, login, address string) (done func(ok bool), err error) {
	if g == nil || !g.d.Limits.Enabled {
		return func(bool) {}, nil
	}
	keys := g.keys(login, address)
	leave, err := g.gates.enter(ctx, keys.login)
	if err != nil {
		return nil, g.refuse(byWaiting, time.Second)
	}
	if err := g.reserve(ctx, keys); err != nil {
		leave()
		return nil, err
	}
	return func(ok bool) {
		defer leave()
		g.settle(ctx, keys, ok)
	}, nil
}

// reserve waits while it is open whether there is room: all places are taken by attempts that are being judged.
func (g *Guard) reserve(ctx context.Context, k keys) error {
	until := time.Now().Add(patience)
	for look := firstLook; ; look = min(2*look, lastLook) {
		var admitted [][]byte
		err := db.Retry(ctx, func() (err error) {
			admitted, err = g.q.ThrottleReserve(ctx, g.d.Pool, db.ThrottleReserveParams{Keys: k.all, WindowSeconds: k.windows, Limits: k.limits})
			return err
		})
		if err != nil {
			return fmt.Errorf("reserve an attempt: %w", err)
		}
		if len(admitted) == len(k.all) {
			return nil
		}
		seconds, err := g.q.ThrottleRefuse(context.WithoutCancel(ctx), g.d.Pool, db.ThrottleRefuseParams{Keys: k.all, Reserved: admitted})
		if err != nil {
			return fmt.Errorf("look how long an attempt is refused: %w", err)
		}
		rule := byAddress
		if !slices.ContainsFunc(admitted, func(x []byte) bool { return bytes.Equal(x, k.login[:]) }) {
			rule = byLogin
		}
		if seconds > 0 {
			return g.refuse(rule, time.Duration(seconds*float64(time.Second)))
		}
		if time.Now().After(until) || pause(ctx, look) != nil {
			return g.refuse(byWaiting, time.Second)
		}
	}
}

func (g *Guard) refuse(rule string, wait time.Duration) error {
	g.refused.WithLabelValues(rule).Inc()
	f := fault.Historic(fault.Exhausted, "Too many failed attempts, try again later")
	f.RetryAfter = wait
	return f
}

// settle ends an attempt even if its client has gone. One that cannot be ended counts as pending for half a minute.
func (g *Guard) settle(ctx context.Context, k keys, ok bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	failed := int32(1)
	if ok {
		failed = 0
	}
	err := db.Retry(ctx, func() error {
		return g.q.ThrottleSettle(ctx, g.d.Pool, db.ThrottleSettleParams{Failed: failed, Keys: k.all, Limits: k.limits, WindowSeconds: k.windows,
			WaitSeconds: k.waits, LongestSeconds: k.longest})
	})
	if err != nil {
		g.d.Log.WarnContext(ctx, "an attempt with a password could not be counted", "error", err)
	}
}

// keys are the sums that an attempt counts under, in ascending order, with the limits of each.
type keys struct {
	login                   key
	all                     [][]byte
	limits                  []int32
	windows, waits, longest []float64
}

type key [sha256.Size]byte

func (k *keys) add(of key, most int, window, wait, longest time.Duration) {
	i, _ := slices.BinarySearchFunc(k.all, of[:], bytes.Compare)
	k.all = slices.Insert(k.all, i, of[:])
	k.limits = slices.Insert(k.limits, i, int32(most)) //nolint:gosec // bounded by config
	k.windows = slices.Insert(k.windows, i, window.Seconds())
	k.waits = slices.Insert(k.waits, i, wait.Seconds())
	k.longest = slices.Insert(k.longest, i, longest.Seconds())
}

func (g *Guard) keys(login, address string) keys {
	from, loopback := source(address)
	l := g.d.Limits
	k := keys{login: sum(db.LoginKey(login), []byte(from))}
	k.add(k.login, l.Failures, l.Window, l.FirstWait, l.LongestWait)
	if !loopback {
		k.add(sum([]byte("address "), []byte(from)), l.AddressFailures, l.AddressWindow, 0, 0)
	}
	return k
}

func sum(parts ...[]byte) key { return sha256.Sum256(bytes.Join(parts, nil)) }

// source is what an address counts as: an IPv6 network of 64 bits, which is what one customer has, or an IPv4 address.
// Text that is no address is itself. Loopback is other programs of this host, for many users each.
func source(address string) (text string, loopback bool) {
	address = strings.TrimSpace(address)
	ip, err := netip.ParseAddr(strings.Trim(address, "[]"))
	if err != nil {
		with, err := netip.ParseAddrPort(address)
		if err != nil {
			return address, false
		}
		ip = with.Addr()
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() {
		return netip.PrefixFrom(ip, 64).Masked().String(), false
	}
	return ip.String(), ip.IsLoopback()
}

// pause waits; an error when ctx is over first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
