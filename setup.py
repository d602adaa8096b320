"""What setup.cfg cannot say: its data files are entry files, and belong into site-packages itself.

Put there by setuptools they stand in RECORD, for wheels and editable installs alike, and pip
installs and removes them like any module.
"""

from setuptools import Distribution, setup


def _install_data_command():
    from distutils.command.install_data import install_data  # setuptools' own, now it is imported

    class InstallEntryFiles(install_data):
        def finalize_options(self):
            self.set_undefined_options(
                "install", ("install_lib", "install_dir"), ("root", "root"), ("force", "force")
            )
            if "editable_wheel" in self.distribution.commands:  # the checkout has the rest itself
                self.data_files = [entry for entry in self.data_files if entry[0] == "."]

    return InstallEntryFiles


class DistributionWithEntryFiles(Distribution):
    def has_data(self):
        """Answer what an editable install asks before it installs data files."""
        return self.has_data_files()


setup(
    cmdclass={"install_data": _install_data_command()},
    distclass=DistributionWithEntryFiles,
)
