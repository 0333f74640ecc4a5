package proxy

import (
	"net"
	"os"
	"sync"
	"syscall"
)

// hangups tells at once of clients that go while their statement waits at a gate. It is an
// epoll of its own, which the runtime's poller watches: nobody looks at sockets again and
// again. A client is entered when it first waits for more than a moment, and stays until its
// session ends: to wait again costs no call. Only what stays until the client has gone for
// good is waited for, so that commands that were sent ahead are no reason.
type hangups struct {
	file *os.File // of the epoll; nil: there is none, and the watch finds out

	mu       sync.Mutex
	sessions map[int32]*session // by file descriptor
}

// Bits of epoll_ctl(2) as package syscall does not have them.
const (
	epollRDHup = 0x2000
	epollEdge  = 1 << 31
)

// open makes the epoll. Without one clients are looked at with every tick.
func (h *hangups) open() {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return
	}
	_ = syscall.SetNonblock(fd, true)
	h.file = os.NewFile(uintptr(fd), "epoll")
	h.sessions = make(map[int32]*session)
}

func (h *hangups) close() {
	if h.file != nil {
		_ = h.file.Close()
	}
}

// run wakes sessions whose clients have gone, until close.
func (h *hangups) run() {
	if h.file == nil {
		return
	}
	raw, err := h.file.SyscallConn()
	if err != nil {
		return
	}
	var events [64]syscall.EpollEvent
	_ = raw.Read(func(fd uintptr) bool {
		for {
			n, err := syscall.EpollWait(int(fd), events[:], 0)
			if err != nil || n <= 0 {
				return false // until there is something, or it is closed
			}
			for _, e := range events[:n] {
				h.gone(e.Fd)
			}
		}
	})
}

// gone looks at a client that has closed its side. One whose command is at a member is left
// to the watch.
func (h *hangups) gone(fd int32) {
	h.mu.Lock()
	s := h.sessions[fd]
	h.mu.Unlock()
	if s == nil {
		return
	}
	s.eye.Or(eyeClosed)
	if s.eye.Load()&eyeWaits != 0 {
		s.lookForHangup()
	}
}

// watch begins to watch the client of a session.
func (h *hangups) watch(s *session) {
	control(s.conn, func(fd uintptr) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.file == nil {
			return
		}
		raw, err := h.file.SyscallConn()
		if err != nil {
			return
		}
		event := syscall.EpollEvent{Events: epollRDHup | epollEdge, Fd: int32(fd)}
		h.sessions[int32(fd)] = s // an event may come before the call is back
		_ = raw.Control(func(epoll uintptr) {
			if syscall.EpollCtl(int(epoll), syscall.EPOLL_CTL_ADD, int(fd), &event) == nil {
				s.eye.Or(eyeWatched)
			} else {
				delete(h.sessions, int32(fd))
			}
		})
	})
}

// forget is called before the client's connection is closed, which takes it out of the epoll.
func (h *hangups) forget(s *session) {
	if s.eye.Load()&eyeWatched == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	control(s.conn, func(fd uintptr) {
		if h.sessions[int32(fd)] == s {
			delete(h.sessions, int32(fd))
		}
	})
}

func control(conn net.Conn, f func(fd uintptr)) {
	if raw := rawOf(conn); raw != nil {
		_ = raw.Control(f)
	}
}
