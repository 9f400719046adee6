# Runs while the images are built: trusts the extra certificates, adds the user of the tasks, and removes from the base what
# running Python programs does not need. The list of Debian packages stays, for those who scan images for them.
set -eu
update-ca-certificates 2>/dev/null
printf 'tasks:x:10001:10001::/scratch:/usr/sbin/nologin\n' >>/etc/passwd
printf 'tasks:x:10001:\n' >>/etc/group
# Whatever user a container is given, this is where it may write.
mkdir -p /scratch /app /opt/venv
chmod 1777 /scratch

# Package managers with their TLS, compilers, and tools for disks and logins; nothing that Python links to.
for package in apt libapt-pkg6.0 dpkg perl-base gpgv gcc g++ cpp binutils make e2fsprogs fdisk login mount passwd \
  libgnutls30 libp11-kit0 libhogweed6 libnettle8 libtasn1-6 libext2fs2 libfdisk1 libsemanage2; do
  cat "/var/lib/dpkg/info/$package".list "/var/lib/dpkg/info/$package":*.list "/var/lib/dpkg/info/$package"t64:*.list 2>/dev/null |
    while read -r file; do [ -d "$file" ] || rm -f "$file"; done
done
rm -rf /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale /usr/share/i18n /usr/share/lintian \
  /usr/share/bash-completion /usr/share/common-licenses /usr/share/pixmaps /usr/share/menu /usr/share/perl* \
  /usr/share/python-wheels /usr/lib/apt /usr/lib/*/perl* /usr/lib/*/gconv /usr/lib/locale/C.utf8.old \
  /var/lib/apt /var/cache /var/log /var/lib/dpkg/info /var/lib/dpkg/*-old /root/.cache /tmp/* /var/tmp/*

# Of Python: what installs, tests and draws windows.
for library in /usr/lib/python3* /usr/local/lib/python3*; do
  [ -d "$library" ] || continue
  rm -rf "$library"/ensurepip "$library"/idlelib "$library"/lib2to3 "$library"/test "$library"/tkinter \
    "$library"/turtledemo "$library"/pydoc_data "$library"/config-* "$library"/site-packages/pip* \
    "$library"/site-packages/setuptools* "$library"/site-packages/wheel*
  python3 -m compileall -q --invalidation-mode unchecked-hash "$library" || true
done
mkdir -p /tmp /var/tmp /var/cache /var/log
chmod 1777 /tmp /var/tmp

# A layer is the same only if its files have the same times.
find / -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} + 2>/dev/null || true
