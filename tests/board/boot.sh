#!/usr/bin/env bash
# The latch on a real GPIO character device: Debian's own kernel in an emulated machine, a CP2112 bridge over uhid.
# No compiler, no network, nothing written outside .cache/board. About three minutes on two quiet cores.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
cache=$PWD/.cache/board
mkdir -p "$cache"
if ! [[ -e $cache/kernel/.done ]]; then
  image=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: //p' | head -1)
  rm -rf "$cache/kernel" "$cache"/*.deb
  (cd "$cache" && apt-get download -qq "$image")
  dpkg-deb -x "$cache"/*.deb "$cache/kernel"
  touch "$cache/kernel/.done"
fi
rm -rf "$cache/root"
mkdir -p "$cache"/root/{bin,dev,proc,sys,modules,host}
cp /bin/busybox "$cache/root/bin/"
install -m 755 tests/board/init "$cache/root/init"
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci netfs fscache 9pnet 9pnet_virtio 9p hid uhid hid-cp2112; do
  find "$cache/kernel/lib/modules" -name "$module.ko" -exec cp {} "$cache/root/modules/" \;
done
(cd "$cache/root" && find . | cpio -o -H newc --quiet | gzip -1) >"$cache/initrd"
timeout 900 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -M q35 -m 512 -display none -serial stdio -monitor none \
  -no-reboot -kernel "$cache"/kernel/boot/vmlinuz-* -initrd "$cache/initrd" \
  -append "console=ttyS0 panic=-1 quiet checkout=$PWD" \
  -virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap | tee "$cache/log"
grep -q "^board: .*all well" "$cache/log"
