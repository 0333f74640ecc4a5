//go:build unix && !linux

package proxy

import (
	"errors"
	"syscall"
)

func sysRead(fd uintptr, p []byte) (int, syscall.Errno) {
	if len(p) == 0 {
		return 0, syscall.EINVAL
	}
	n, err := syscall.Read(int(fd), p)
	return n, errno(err)
}

func sysWrite(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), p)
	return n, errno(err)
}

// sysPeek looks at the next byte without taking it.
func sysPeek(fd uintptr) (int, syscall.Errno) {
	var b [1]byte
	return sysPeekAt(fd, b[:])
}

// sysPeekAt looks at the next bytes without taking them.
func sysPeekAt(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n, errno(err)
}

func errno(err error) syscall.Errno {
	var code syscall.Errno
	if err != nil && !errors.As(err, &code) {
		return syscall.EIO
	}
	return code
}
