package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// session is one connection of our own client: as little as it takes to log in,
// run statements whose results do not matter, and read a big one.
type session struct {
	net  net.Conn
	conn *wire.Conn
	caps wire.Capability
}

const (
	dialTimeout  = 10 * time.Second
	queryTimeout = 60 * time.Second
	smallResult  = 1 << 20 // bytes that a result may have, except a big one
)

// login is who connects to what.
type login struct {
	Addr, User, Password, Database string
	Timeout                        time.Duration // for the whole login; 0: dialTimeout
}

// open connects and logs in.
func (l login) open(ctx context.Context) (_ *session, err error) {
	timeout := l.Timeout
	if timeout == 0 {
		timeout = dialTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", l.Addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if err != nil || !stop() {
			_ = c.Close()
		}
	}()
	s := &session{net: c, conn: wire.NewConn(c, smallResult)}
	asks := wire.Login{
		Capabilities: wire.Mysql | wire.LongFlag | wire.Protocol41 | wire.Transactions | wire.SecureConn | wire.PluginAuth | wire.ConnectWithDB,
		MaxPacket:    1 << 24, Charset: 45, User: l.User, Database: l.Database, // 45: utf8mb4_general_ci
	}
	g, err := s.conn.Login(asks, wire.SecretOfPassword(l.Password), false)
	if err != nil {
		return nil, fmt.Errorf("log in at %s: %w", l.Addr, err)
	}
	if s.caps, err = asks.Capabilities.Towards(g.Capabilities); err != nil {
		return nil, err
	}
	return s, ctx.Err()
}

// close says goodbye and closes the connection.
func (s *session) close() {
	_ = s.net.SetDeadline(time.Now().Add(time.Second))
	_ = s.conn.Send([]byte{byte(wire.ComQuit)})
	_ = s.net.Close()
}

// query runs a statement and returns the first row of its result, if it has one.
func (s *session) query(statement string) ([]string, error) {
	if err := s.net.SetDeadline(time.Now().Add(queryTimeout)); err != nil {
		return nil, err
	}
	if err := s.conn.Send(wire.Query(statement)); err != nil {
		return nil, err
	}
	row, _, err := s.conn.Result(s.caps, smallResult)
	return row, err
}

// once runs one statement on a connection of its own.
func (l login) once(ctx context.Context, statement string) ([]string, error) {
	s, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.query(statement)
}

// drainer is told how a big result goes.
type drainer struct{ number uint16 }

func (*drainer) ObserveOK(*wire.OK)             {}
func (d *drainer) ObserveError(number uint16)   { d.number = number }
func (*drainer) ObservePrepared(*wire.Prepared) {}

// drain runs a statement and reads its result to the end without looking at it.
// It returns the bytes that came. After each piece, seen is called with the sum.
func (s *session) drain(statement string, seen func(total int64)) (int64, error) {
	if err := s.net.SetDeadline(time.Now().Add(queryTimeout)); err != nil {
		return 0, err
	}
	if err := s.conn.Send(wire.Query(statement)); err != nil {
		return 0, err
	}
	var response wire.Response
	var d drainer
	response.Begin(wire.ComQuery, s.caps, &d)
	buf := make([]byte, 256<<10)
	var total int64
	kept := 0 // bytes at the front that the response could not judge yet
	for !response.Done() {
		if kept == len(buf) {
			return total, errors.New("a packet that is to be seen whole is larger than the buffer")
		}
		n, err := s.net.Read(buf[kept:])
		if err != nil {
			return total, err
		}
		total += int64(n)
		_, rest, err := response.Feed(buf[:kept+n])
		if err != nil {
			return total, err
		}
		kept = copy(buf, rest)
		seen(total)
	}
	if d.number != 0 {
		return total, fmt.Errorf("the server answers error %d", d.number)
	}
	return total, nil
}
