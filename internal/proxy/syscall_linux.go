package proxy

import (
	"syscall"
	"unsafe"
)

// The calls are on non-blocking sockets and return at once, so the scheduler
// need not be told of them.

func sysRead(fd uintptr, p []byte) (int, syscall.Errno) {
	if len(p) == 0 {
		return 0, syscall.EINVAL
	}
	n, _, err := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), err
}

func sysWrite(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), err
}

// sysPeek looks at the next byte without taking it.
func sysPeek(fd uintptr) (int, syscall.Errno) {
	var b [1]byte
	return sysPeekAt(fd, b[:])
}

// sysPeekAt looks at the next bytes, at least one of room for them, without taking
// them.
func sysPeekAt(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return int(n), err
}
