package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"

	"github.com/xivo-auth/xivo-auth/db"
)

// limited counts one more mail and tells whether that is one too many in its hour: for the recipient, or for the address
// of the client that caused it. Loopback addresses are not counted: the platform's own services call from there.
func (m *Mails) limited(ctx context.Context, kind, recipient, client string) (bool, error) {
	if address, ok := parseAddress(client); ok {
		if address.IsLoopback() {
			return false, nil
		}
		client = network(address)
	}
	limits := map[[32]byte]int{}
	if m.d.PerRecipient > 0 {
		limits[sha256.Sum256([]byte("recipient "+strings.ToLower(recipient)))] = m.d.PerRecipient
	}
	if m.d.PerAddress > 0 {
		limits[sha256.Sum256([]byte("address "+client))] = m.d.PerAddress
	}
	if len(limits) == 0 {
		return false, nil
	}
	keys := make([][]byte, 0, len(limits))
	for k := range limits {
		keys = append(keys, bytes.Clone(k[:]))
	}
	var counted []db.MailCountRow
	err := db.Retry(ctx, func() (err error) {
		counted, err = m.q.MailCount(ctx, m.d.Pool, keys)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("count mails: %w", err)
	}
	for _, c := range counted {
		if int(c.Mails) > limits[[32]byte(c.Key)] {
			m.d.Count(kind, outcomeLimited)
			m.d.Log.WarnContext(ctx, "too many mails: this one is not sent", "kind", kind, "remote_addr", client)
			return true, nil
		}
	}
	return false, nil
}

// parseAddress reads an address as proxies write it, a port behind it or not.
func parseAddress(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		p, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		a = p.Addr()
	}
	return a.Unmap().WithZone(""), true
}

// network is what is counted as one address: an IPv6 client has the whole of a /64.
func network(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// SweepMailCounts forgets the counts of hours that are over, so many at most.
func SweepMailCounts(ctx context.Context, pool db.DBTX, limit int) (int, error) {
	n, err := db.New().MailCountSweep(ctx, pool, int32(limit)) //nolint:gosec // a small limit
	if err != nil {
		return 0, fmt.Errorf("sweep counts of mails: %w", err)
	}
	return int(n), nil
}
