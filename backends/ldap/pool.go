package ldap

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

const (
	// maxIdle connections are kept for a configuration, maxIdleAll for all of them together.
	maxIdle    = 16
	maxIdleAll = 256
	// idleTime is how long one is kept unused, and lifeTime how old one may be.
	idleTime = 30 * time.Second
	lifeTime = 5 * time.Minute
)

// key is the content of a configuration: another content has connections of its own.
type key [sha256.Size]byte

func keyOf(c *Config) key {
	h := sha256.New()
	for _, s := range []string{c.Host, c.Security, c.BindDN, c.BindPassword} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(s)))
		_, _ = h.Write([]byte(s))
	}
	_ = binary.Write(h, binary.BigEndian, int64(c.Port))
	return key(h.Sum(nil))
}

// pool keeps connections that are bound as a service account, for the next search.
type pool struct {
	mu     sync.Mutex
	idle   map[key][]idle
	all    int
	closed bool
}

type idle struct {
	*conn
	expiry *time.Timer
}

// take gives a connection that nobody uses, nil if there is none.
func (p *pool) take(k key) *conn {
	for {
		p.mu.Lock()
		list := p.idle[k]
		if len(list) == 0 {
			p.mu.Unlock()
			return nil
		}
		last := list[len(list)-1]
		p.removeAt(k, len(list)-1)
		p.mu.Unlock()
		last.expiry.Stop()
		if last.usable() && time.Since(last.born) < lifeTime {
			return last.conn
		}
		last.close()
	}
}

// put keeps a connection for later, or closes it if there are enough.
func (p *pool) put(k key, c *conn) {
	p.mu.Lock()
	if p.closed || p.all >= maxIdleAll || len(p.idle[k]) >= maxIdle || !c.usable() {
		p.mu.Unlock()
		c.close()
		return
	}
	if p.idle == nil {
		p.idle = map[key][]idle{}
	}
	p.idle[k] = append(p.idle[k], idle{c, time.AfterFunc(idleTime, func() { p.expire(k, c) })})
	p.all++
	p.mu.Unlock()
}

func (p *pool) expire(k key, c *conn) {
	p.mu.Lock()
	for i, x := range p.idle[k] {
		if x.conn == c {
			p.removeAt(k, i)
			p.mu.Unlock()
			c.close()
			return
		}
	}
	p.mu.Unlock() // somebody has taken it
}

// removeAt needs the lock.
func (p *pool) removeAt(k key, i int) {
	p.idle[k] = append(p.idle[k][:i], p.idle[k][i+1:]...)
	if p.all--; len(p.idle[k]) == 0 {
		delete(p.idle, k)
	}
}

// forget closes what is kept for a configuration: its server stopped answering.
func (p *pool) forget(k key) {
	p.mu.Lock()
	list := p.idle[k]
	delete(p.idle, k)
	p.all -= len(list)
	p.mu.Unlock()
	for _, x := range list {
		x.expiry.Stop()
		x.close()
	}
}

// close closes everything, and whatever comes back later.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	keys := make([]key, 0, len(p.idle))
	for k := range p.idle {
		keys = append(keys, k)
	}
	p.mu.Unlock()
	for _, k := range keys {
		p.forget(k)
	}
}
