#!/usr/bin/env bash
# The latch on a real GPIO character device: Debian's own kernel in an emulated machine, a CP2112 bridge over uhid, card
# readers on its USB bus; then the door's unit under systemd on a second machine that reboots and hangs, its bridge
# outside; then on the pins of an emulated Raspberry Pi 3. No compiler, no network, nothing written outside
# .cache/board. ARGS name scenes: scene reader proof pi, or units (three boots: as long again).
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
if ! [[ -e $cache/udev/.done ]]; then # unpacked only: this machine gets no udev
  rm -rf "$cache/udev" "$cache"/*.deb
  (cd "$cache" && apt-get download -qq udev)
  dpkg-deb -x "$cache"/*.deb "$cache/udev"
  touch "$cache/udev/.done"
fi
modules="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci netfs fscache 9pnet 9pnet_virtio 9p overlay hid uhid
  hid-cp2112 usb-common usbcore xhci-hcd xhci-pci usbserial ftdi_sio usbhid watchdog i6300esb"

# machine INIT SCENES KERNEL-ARGUMENTS QEMU-ARGUMENTS...: boots one, with its street, until it turns itself off.
machine() {
  local init=$1 scenes=$2 said=$3
  shift 3
  rm -rf "$cache/root" "$cache/street"
  mkdir -p "$cache"/root/{bin,dev,proc,sys,modules,host,layer,new} "$cache/street"
  cp /bin/busybox "$cache/root/bin/"
  install -m 755 "tests/board/$init" "$cache/root/init"
  for module in $modules; do
    find "$cache/kernel/lib/modules" -name "$module.ko" -exec cp {} "$cache/root/modules/" \;
  done
  printf '%s\n' $modules >"$cache/root/modules/order"
  (cd "$cache/root" && find . | cpio -o -H newc --quiet | gzip -1) >"$cache/initrd"
  local sockets=()
  for name in porte autre bridge; do
    sockets+=(-chardev "socket,id=$name,path=$cache/street/$name,server=on,wait=off")
  done
  timeout 900 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -M q35 -m 512 -display none -serial stdio \
    -monitor none -kernel "$cache"/kernel/boot/vmlinuz-* -initrd "$cache/initrd" \
    -append "console=ttyS0 quiet $said checkout=$PWD scenes=${scenes// /,}" \
    -device qemu-xhci -qmp "unix:$cache/street/qmp,server=on,wait=off" "${sockets[@]}" "$@" \
    -virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap </dev/null |
    .venv/bin/python -m tests.board.street "$cache/street" | tee -a "$cache/log"
}

# Debian's arm64 kernel and Python, unpacked only, and what our drivers load; then the machine and its street.
pi() {
  local root=$cache/pi/root inside=$cache/pi/initrd.root
  if ! [[ -e $cache/pi/.done ]]; then
    rm -rf "$cache/pi"
    mkdir -p "$cache/pi"
    apt-get indextargets --format \
      'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)' \
      'Created-By: Packages' 'Origin: Debian' |
      mmdebstrap --quiet --variant=extract --architectures=arm64 --include=python3,busybox-static,linux-image-arm64 \
        bookworm "$root" -
    awk '/^[^ ]/ { ours = /^gpiod==/ } ours' requirements.lock >"$cache/pi/wheels.lock"
    .venv/bin/pip install -qq --disable-pip-version-check --target "$cache/pi/wheels" --platform manylinux2014_aarch64 \
      --python-version 3.11 --only-binary :all: --require-hashes -r "$cache/pi/wheels.lock"
    touch "$cache/pi/.done"
  fi
  rm -rf "$inside" "$cache/street"
  mkdir -p "$inside"/{bin,dev,proc,sys,run,tmp,checkout/tests,usr/bin,usr/lib} "$cache/street"
  cp "$root/bin/busybox" "$inside/bin/"
  cp -a "$root"/usr/bin/python3* "$inside/usr/bin/"
  cp -a "$root"/usr/lib/{python3.11,aarch64-linux-gnu} "$inside/usr/lib/"
  mkdir "$inside/lib"
  cp -a "$root"/lib/{aarch64-linux-gnu,ld-linux-aarch64.so.1} "$inside/lib/"
  cp -a "$cache/pi/wheels" "$inside/wheels"
  cp -a drivers "$inside/checkout/"
  cp -a tests/__init__.py tests/board "$inside/checkout/tests/"
  install -m 755 tests/board/init-pi "$inside/init"
  (cd "$inside" && find . -name __pycache__ -prune -o -print | cpio -o -H newc --quiet | gzip -1) >"$cache/initrd"
  timeout 600 qemu-system-aarch64 -M raspi3b -display none -no-reboot -serial null -serial stdio -monitor none \
    -kernel "$root"/boot/vmlinuz-* -dtb "$root"/usr/lib/linux-image-*/broadcom/bcm2837-rpi-3-b.dtb \
    -initrd "$cache/initrd" -append "console=ttyS1,115200 quiet panic=-1" \
    -qmp "unix:$cache/street/qmp,server=on,wait=off" -qmp "unix:$cache/street/pins,server=on,wait=off" </dev/null |
    .venv/bin/python -m tests.board.street "$cache/street" | tee -a "$cache/log"
}

: >"$cache/log"
scenes=${*:-scene reader proof pi}
inside=$(sed "s/\bunits\b//; s/\bpi\b//" <<<"$scenes" | xargs)
[[ -z $inside ]] || machine init "$inside" panic=-1 -no-reboot
[[ " $scenes " != *" pi "* ]] || pi
[[ $scenes != *units* ]] || machine init-units "" "panic=0 systemd.show_status=0" -device i6300esb
[[ $(grep -c "^board: .*all well" "$cache/log") -eq $(wc -w <<<"$scenes") ]] && ! grep "^board: .*BAD" "$cache/log"
