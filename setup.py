"""What setup.cfg cannot say: the data files are entry files, and belong into site-packages itself.

This way they stand in the wheel's RECORD, for wheels and editable installs alike, and pip installs
and removes them like any module.
"""

from setuptools import setup


def _install_data_command():
    from distutils.command.install_data import install_data  # setuptools' own, once it is imported

    class InstallEntryFiles(install_data):
        def finalize_options(self):
            self.set_undefined_options(
                "install", ("install_lib", "install_dir"), ("root", "root"), ("force", "force")
            )

    return InstallEntryFiles


setup(cmdclass={"install_data": _install_data_command()})
